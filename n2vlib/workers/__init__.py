"""Work in several processes and threads.

pool      processes that never outlive the one that started them
threads   threads; Pillow, hashlib and our kernels release the GIL
tied      the script that such a process starts with
heap      keep freed memory in the process
"""
