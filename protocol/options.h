#pragma once

#include "topology/options.h"
