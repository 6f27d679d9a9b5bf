"""The page of a features map: choice of pictures, pictures, line charts, HTML."""
