"""Rules: what is watched for."""
