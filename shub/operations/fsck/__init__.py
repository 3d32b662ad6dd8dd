"""Looking whether rows and store agree: every object against its row, every row against its object.

A registry that runs changes while it is looked at. So what is found is a suspicion, which is looked
at again, the row, then the object, then the row, before anybody is told of it.
"""
