"""What ``justtinker grade`` consists of: reading answers, grading them, counting, writing and printing."""
