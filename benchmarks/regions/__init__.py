"""The benchmark of finding pictures by their regions: crops, collages, screenshots around it."""
