greeting: from salt
