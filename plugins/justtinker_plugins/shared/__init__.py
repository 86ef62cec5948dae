"""What several plugins share. No plugin stands here, and nothing here knows one."""
