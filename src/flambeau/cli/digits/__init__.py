"""The handwritten digits of the quickstart: 1,797 images that come with the package, and their loader."""
