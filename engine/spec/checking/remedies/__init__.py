"""How to mend what the grammars alone show, for messages: tables of what newcomers write, and what they mean."""
