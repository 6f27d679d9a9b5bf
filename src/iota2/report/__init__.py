"""Text, figures and pages made from tables and records; takes values, gives text or bytes."""
