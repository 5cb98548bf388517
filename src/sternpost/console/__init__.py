"""The web console at /console/: pages over the control API, rendered here, readable without a script, loading nothing from elsewhere."""
