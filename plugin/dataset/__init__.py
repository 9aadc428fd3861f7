"""What FiftyOne holds, read as rows: one row an image or an object."""
