"""The dashboard: a viewer of shared memory that may send wishes and may die at will."""
