"""Why an alarm: what of the sound is unlike the nearest normal sound, in which bands and how often."""
