class { 'greeting': text => lookup('greeting') }
