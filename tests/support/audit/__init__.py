"""What andon is shipped with: known vulnerabilities, licences, bill of materials (`make audit`)."""
