"""Files → parts in one folder, by the machines of a cluster of Ray. Only `ray_data` imports Ray."""
