"""What phones store images in, read without more memory or rights than these need."""
