"""The shop of `sternpost demo`: a page that sends events and shows what became of them."""
