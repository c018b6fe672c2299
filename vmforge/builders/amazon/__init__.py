"""Machine images in AWS: builders, imports of local disks, and data sources; all that knows boto3 here is
`api.py`."""
