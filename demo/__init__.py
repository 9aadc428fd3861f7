"""The demonstration: from a folder of images to saved coreset views, in a FiftyOne that touches nobody's data."""
