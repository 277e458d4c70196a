"""Register tiles, and what packs and converts their operands."""
