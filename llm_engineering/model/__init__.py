"""The model's life: fine-tuning, evaluation, quantisation, inference. Not there yet; this is where it goes."""
