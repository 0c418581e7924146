"""Our own parsers against made-up input, guided by what it reaches in their code."""
