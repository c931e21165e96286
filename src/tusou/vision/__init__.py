"""What is seen in a picture: embeddings, keypoints, and whether two pictures match."""
