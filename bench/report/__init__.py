"""Tables, figures and pages, drawn from stored runs only."""
