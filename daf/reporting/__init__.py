"""How results look: sentences, figures and HTML pages. Numbers are made elsewhere and only shown here."""
