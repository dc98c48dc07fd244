"""What a bundle does on this machine: how many channels it holds, how soon it speaks, what it takes up."""
