"""The batches of a stage: kept, told apart, made synthetically, drawn again, a part of them."""
