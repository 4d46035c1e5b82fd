"""The storage accounts' data planes: Data Lake Storage Gen2 and Blob storage over the same files."""
