"""Python functions of the user that compute features: loading, the data that they read, checks of their results."""
