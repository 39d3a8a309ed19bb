"""What every benchmark needs: subjects in processes of their own, instruction counts, turns, tables."""
