"""What people would use instead of sigsearch, each behind the same few methods."""
