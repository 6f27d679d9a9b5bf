def write_user_segments(*a):
    raise NotImplementedError
