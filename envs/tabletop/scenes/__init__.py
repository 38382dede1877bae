"""Where the tabletop suite's tasks happen: furniture, lights, cameras, where the robot stands."""
