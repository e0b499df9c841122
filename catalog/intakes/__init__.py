"""What becomes of the rows of a feed, by what they are: items, reviews, or links between items."""
