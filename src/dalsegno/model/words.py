"""The words that flow runs without a name of their own are named by."""

from __future__ import annotations

import os
from typing import Final

ADJECTIVES: Final = tuple(
    """
    able agile airy alert amber ample amused apt ardent artful avid balmy bold bouncy brave breezy
    bright brisk bubbly buoyant calm candid careful caring cheerful chipper civil classic clear
    clever cordial cosmic cosy crisp curious dandy dapper daring dashing deft devoted diligent
    dreamy eager early earnest easy elated elegant eloquent fabled fair faithful famous fancy
    fearless festive fine fluent fond frank fresh friendly frosty funny gallant gentle genial gifted
    glad gleaming glowing golden graceful grand grateful handy happy hardy hearty helpful honest
    hopeful humble ideal jaunty jolly jovial joyful keen kind lavish limber lively loyal lucid lucky
    lunar lyrical magic mellow merry mighty mild mindful modest musical neat nifty nimble noble
    novel open orderly patient peaceful pearly peppy placid playful pleasant plucky plush poetic
    poised polite prime prompt proud quaint quick quiet radiant rapid ready regal robust rosy rustic
    serene sharp shiny silent silver sincere sleek smart smiling smooth snappy snug solar solid
    spirited splendid sprightly spry stable starry steady stellar sturdy subtle sunny supple swift
    tactful tender thankful thrifty tidy tranquil trim true trusty upbeat useful valiant vast velvet
    vivid warm watchful wise witty zesty
    """.split()
)

NOUNS: Final = tuple(
    """
    acorn albatross alder almond alpaca anchor antelope apricot aspen aurora avocet badger bamboo
    basil beacon beaver birch bison bluebell bobcat bonfire brook buffalo bunting camel canary
    canyon caribou cedar cello chamois cheetah cherry chickadee chipmunk cicada clarinet clover
    comet condor coral cormorant cosmos cricket crocus curlew cypress daffodil dahlia daisy dingo
    dolphin dove dragonfly dune eagle egret elk elm ember ermine falcon fennel fern ferret finch
    firefly fjord flamingo flute fox gazelle gecko geyser ginger giraffe glacier goldfinch goose
    grouse gull harbor hare harp hazel hedgehog heron hickory horizon ibex ibis iris island ivy
    jackdaw jaguar jasmine juniper kestrel kingfisher kite kiwi koala lagoon lantern lark larch
    laurel lavender lemur leopard lighthouse lilac lily llama lotus lynx magnolia magpie mallard
    mango maple marigold marlin marmot marten meadow meerkat merlin meteor mimosa mockingbird moose
    mulberry narwhal nebula newt nightingale oak oasis ocelot octopus olive orchard orchid oriole
    osprey otter owl panda panther papaya parrot partridge pelican penguin peony petrel pheasant
    pine plover poplar poppy prairie puffin puma quail quokka raccoon raven redwood reef river robin
    rosemary saffron salmon sandpiper seahorse sequoia sparrow spruce squirrel starling stork
    sunflower swallow swan swift tamarin tapir tern thistle thrush toucan trout tulip tundra turtle
    violet vireo vole wallaby walnut walrus warbler waterfall waxwing weasel willow wombat
    woodpecker wren yak zebra
    """.split()
)


def random_run_name() -> str:
    """Return two random words, such as ``"brave-otter"``.

    They come from the system's randomness: a seed that a user sets does not repeat them, nor does a fork.
    """
    number = int.from_bytes(os.urandom(8), "little")
    number, adjective = divmod(number, len(ADJECTIVES))
    return f"{ADJECTIVES[adjective]}-{NOUNS[number % len(NOUNS)]}"
