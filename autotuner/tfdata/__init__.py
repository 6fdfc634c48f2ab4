"""Everything that touches tf.data: record, build, analyse, verify."""
