"""The child process: the only place where TensorFlow lives and a pipeline is run."""
