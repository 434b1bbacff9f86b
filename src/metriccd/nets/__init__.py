"""Networks: change-probability generators and deep feature extractors."""
