"""The console: pages for people, over the same library and accounts code as the interfaces."""
