"""What is drawn over images, and images made small."""
