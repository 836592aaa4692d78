#pragma once

#include "topology/rng.h"
