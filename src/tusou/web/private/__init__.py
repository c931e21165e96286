"""The interface of the vendor's private deployment. Source: shared contract, section 6."""
