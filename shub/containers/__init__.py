"""What: collections, containers, images, tags, and the blobs below them."""
