"""The studio: samples of tables, and what was measured about them."""
