"""The stages from sound to bundle: each can be run alone, is skipped once finished, and leaves its product behind."""
