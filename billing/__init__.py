"""What it costs and who pays. Knows sessions; knows no HTTP server."""
