"""The three RunPod serverless endpoints as a file says, over RunPod's REST API. See docs/endpoints.md."""
