"""Which samples, in which order, in which window and batch. Pure: numpy alone, no input and no output."""
