"""The methods that andon train tries."""
